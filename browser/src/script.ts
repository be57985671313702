// The classic script: <script src="/throughline.js" data-application-id="..."></script>
import { init } from "./index";

const script = document.currentScript as HTMLScriptElement | null;
const data = script?.dataset ?? {};
const options: Parameters<typeof init>[0] & { _script?: string } = {
  applicationId: data.applicationId ?? "",
  endpoint: data.endpoint ?? (script?.src && new URL("/beacon", script.src)),
  tenant: data.tenant,
  propagation: data.propagation !== "off",
  crossOriginUrlPattern: data.crossOriginUrlPattern,
  excludeUrlPattern: data.excludeUrlPattern,
  _script: script?.src,
};
init(options);
