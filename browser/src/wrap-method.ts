import type { Agent } from "./start-agent";

/** The arguments and the result of a method; of its last overload, where it has several. */
type Arguments<Owner, Name extends keyof Owner> = Owner[Name] extends (...args: infer Args) => unknown ? Args : never;
type Result<Owner, Name extends keyof Owner> = Owner[Name] extends (...args: never[]) => infer Result ? Result : never;

/**
 * Puts a function around a method of an object, until the agent stops. It gets what the method is called on, the arguments,
 * and the way to call the original. To the page the method looks as before, since it is a Proxy of it.
 */
export function wrapMethod<Owner, Name extends keyof Owner>(
  agent: Agent,
  owner: Owner,
  name: Name,
  around: (
    self: Owner,
    args: Arguments<Owner, Name>,
    call: (...args: Arguments<Owner, Name>) => Result<Owner, Name>,
  ) => Result<Owner, Name>,
): void {
  const original = owner[name];
  let active = true;
  const wrapper = new Proxy(original as never, {
    apply(_, self, args) {
      const call = (...given: unknown[]) => Reflect.apply(original as never, self, given);
      return active ? around(self, args as never, call as never) : call(...args);
    },
  });
  owner[name] = wrapper;
  agent._undo.push(() => {
    active = false;
    if (owner[name] === wrapper) owner[name] = original;
  });
}
