export { BulletinModel } from './bulletin';
export { ButtonModel, ButtonView } from './button';
export { ChoiceModel, ChoiceView } from './choice';
export { FieldModel, FieldView } from './field';
export { LegendModel, LegendView } from './legend';
export { MessageModel, MessageView } from './message';
export { OptionsModel, OptionsView } from './options';
export { LRPickerModel, LRPickerView } from './picker';
export { EpochTableModel, EpochTableView } from './table';
