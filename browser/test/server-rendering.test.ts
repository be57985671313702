import { expect, test, vi } from "vitest";
import * as agent from "../src/index";

test("where there is no page, as in server rendering, nothing throws and nothing happens", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  agent.init({ applicationId: "745a78fe5b6e57f6" });
  expect(warn).toHaveBeenCalledOnce();
  agent.setUser("someone");
  agent.addEvent("event");
  agent.addError(new Error("error"));
  agent.startView();
  agent.startAction("action").end();
  agent.grant();
  agent.revoke();
  expect(agent.getTraceHeaders("/a")).toEqual({});
  await agent.flush();
  await agent.shutdown();
});
