// What Lumino expects of a browser when it loads, and jsdom does not have.
globalThis.DragEvent ??= class extends MouseEvent {} as typeof DragEvent;
