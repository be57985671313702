import { datadogRum } from "@datadog/browser-rum";

datadogRum.init({
  applicationId: "745a78fe-5b6e-57f6-8fdc-ef91d451fdff",
  clientToken: "pub745a78fe5b6e57f68fdcef91d451fdff",
  site: "datadoghq.com",
  proxy: "/datadog",
  service: "bench",
  version: "1.0.0",
  sessionSampleRate: 100,
  trackResources: true,
  trackLongTasks: true,
  trackUserInteractions: true,
  allowedTracingUrls: [location.origin],
});
