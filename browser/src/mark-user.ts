import { plainText } from "./plain-text";
import type { Agent } from "./start-agent";

/** Brings `setUser`, and says of a browser that a program drives that it is one (OpenTelemetry, `user_agent.synthetic.type`). */
export function markUser(agent: Agent): void {
  let user: string | undefined;
  const mark = () =>
    agent._change({
      _attributes: { "user.id": user, "user_agent.synthetic.type": navigator.webdriver ? "test" : undefined },
    });
  agent._api.setUser = (id) => {
    const before = user;
    user = id ? plainText(id) : undefined;
    if (user !== before) mark();
  };
  mark();
}
