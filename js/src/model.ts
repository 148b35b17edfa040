import { type ISerializers, unpack_models, WidgetModel } from '@jupyter-widgets/base';
import { NAME, VERSION } from './version';

/// The state of the picker; the kernel writes all of it.
export class LRPickerModel extends WidgetModel {
  override defaults() {
    return {
      ...super.defaults(),
      _model_name: 'LRPickerModel',
      _model_module: NAME,
      _model_module_version: `^${VERSION}`,
      _view_name: 'LRPickerView',
      _view_module: NAME,
      _view_module_version: `^${VERSION}`,
      x_scale: null,
      y_scale: null,
      line: null,
      raw: null,
      lr: null,
      measure: 'loss',
      suggestions: [],
      regions: [],
      band: null,
      levels: [],
      snap: false,
      zoom: false,
    };
  }

  static override serializers: ISerializers = {
    ...WidgetModel.serializers,
    x_scale: { deserialize: unpack_models },
    y_scale: { deserialize: unpack_models },
    line: { deserialize: unpack_models },
    raw: { deserialize: unpack_models },
  };
}
