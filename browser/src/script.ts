// The classic script: <script src="/throughline.js" data-application-id="..."></script>
import { allFeatures } from "./all-features";
import { forward } from "./forward";
import { initWithConsent } from "./init-with-consent";
import type { Options } from "./options";
import { pageIdentity } from "./page-identity";
import type { Api } from "./public-api";
import type { ScriptOptions } from "./resolve-config";
import { eraseStorage } from "./storage-keys";
import { warn } from "./warn";

const script = document.currentScript as HTMLScriptElement | null;
const source = script?.src || document.baseURI;
/** An import has the rights, as by a nonce, of the script that asks for it, and needs no element. */
const idle = new URL("throughline-idle.js", source).href;

/** Starts the agent where the script element has no `data-application-id`. */
function init(options: Options): void {
  const features = allFeatures(options, () => import(idle));
  initWithConsent({ ...options, _scripts: [source, idle] } as ScriptOptions, pageIdentity, features);
}

/** An option as an attribute says it; one that is empty, but for those that are on by being there, says nothing. */
function read(name: string, value: string): unknown {
  if (/^(off|false)$/.test(value)) return false;
  if (/^(consent|respect)/.test(name)) return true;
  if (!value) return undefined;
  if (/Rate$/.test(name)) return Number(value);
  if (/^allow/.test(name)) return value === "*" || value.split(/[\s,]+/);
  if (/Pattern$/.test(name)) {
    try {
      return new RegExp(value);
    } catch (error) {
      return warn(name, error);
    }
  }
  return value;
}

/** What the functions of the public API do where no agent runs; see public-api.ts. */
const otherwise: Api = {
  setUser() {},
  addEvent() {},
  addError() {},
  startView() {},
  startAction: () => ({ end() {} }),
  getTraceHeaders: () => ({}),
  grant() {},
  revoke: eraseStorage,
  async flush() {},
  async shutdown() {},
};
const throughline: Record<string, unknown> = { init };
for (const name in otherwise) throughline[name] = forward(name as keyof Api, otherwise[name as keyof Api]);
(self as unknown as { throughline: unknown }).throughline = throughline;
const data = script?.dataset;
if (data && "applicationId" in data) {
  const options: Record<string, unknown> = { endpoint: new URL("/beacon", source) };
  for (const name in data) options[name] = read(name, data[name] as string) ?? options[name];
  init(options as unknown as Options);
}
