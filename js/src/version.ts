import packageJson from '../package.json';

/// The module name that Python's `_model_module` asks for.
export const NAME = packageJson.name;

/// The version that must satisfy Python's `_model_module_version`.
export const VERSION = packageJson.version;
