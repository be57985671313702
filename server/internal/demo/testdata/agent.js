// Stands in for the agent: when the page is left, it sends what Resource Timing
// and Navigation Timing hold.
(() => {
  const { applicationId, endpoint } = document.currentScript.dataset;
  const pattern = document.currentScript.getAttribute("data-cross-origin-url-pattern");
  const kinds = { navigation: "document", fetch: "fetch", xmlhttprequest: "xhr" };
  addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "hidden") return;
    const entries = [
      ...performance.getEntriesByType("navigation"),
      ...performance.getEntriesByType("resource"),
    ];
    const events = entries.map((e) => ({
      kind: kinds[e.initiatorType] ?? "resource",
      url: e.name,
      allowed: new RegExp(pattern).test(e.name),
    }));
    navigator.sendBeacon(endpoint, JSON.stringify({ applicationId, events }));
  });
})();
