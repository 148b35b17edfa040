// Left to the bundler: TypeScript would move its output to mirror `js/`.
declare module '*/package.json' {
  const value: { name: string; version: string };
  export default value;
}
