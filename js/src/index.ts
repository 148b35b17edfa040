export { FieldModel, FieldView } from './field';
export { LRPickerModel, LRPickerView } from './picker';
export { NAME, VERSION } from './version';
