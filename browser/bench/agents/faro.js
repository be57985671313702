import { getWebInstrumentations, initializeFaro } from "@grafana/faro-web-sdk";
import { TracingInstrumentation } from "@grafana/faro-web-tracing";

initializeFaro({
  url: "/collect",
  app: { name: "bench", version: "1.0.0" },
  sessionTracking: { samplingRate: 1 },
  instrumentations: [...getWebInstrumentations(), new TracingInstrumentation()],
});
