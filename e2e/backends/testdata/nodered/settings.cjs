// What this Node-RED is told beside its own defaults: nothing goes to other
// machines, and nothing covers the editor.
module.exports = {
  uiHost: "127.0.0.1",
  uiPort: 0,
  flowFile: "deployed.json",
  credentialSecret: false,
  telemetry: { enabled: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false } },
  editorTheme: { tours: false, palette: { catalogues: [] } },
};
