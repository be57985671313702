import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { registerInstrumentations } from "@opentelemetry/instrumentation";
import { FetchInstrumentation } from "@opentelemetry/instrumentation-fetch";
import { BatchSpanProcessor, StackContextManager, WebTracerProvider } from "@opentelemetry/sdk-trace-web";

const provider = new WebTracerProvider({
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${location.origin}/v1/traces` }))],
});
provider.register({ contextManager: new StackContextManager() });
registerInstrumentations({
  // As its documentation says: the exporter's own requests are left alone.
  instrumentations: [new FetchInstrumentation({ ignoreUrls: [/\/v1\/traces$/] })],
});
