import { IJupyterWidgetRegistry } from '@jupyter-widgets/base';
import { NAME, VERSION } from './version';

/// Registers the widgets. They load on first use, so that a missing bqplot
/// fails there and not when the application starts.
export default {
  id: `${NAME}:plugin`,
  requires: [IJupyterWidgetRegistry],
  autoStart: true,
  activate(_app: unknown, registry: IJupyterWidgetRegistry): void {
    registry.registerWidget({
      name: NAME,
      version: VERSION,
      exports: async () => ({ ...(await import('./index')) }),
    });
  },
};
