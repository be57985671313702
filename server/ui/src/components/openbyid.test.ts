import { expect, it } from 'vitest';
import { pathOfId } from './openbyid.tsx';

const trace = '2fdcef91d451fdffd6e5e36abc6bb609';

it.each([
  [trace, `/traces/${trace}`],
  [` ${trace.toUpperCase()}\n`, `/traces/${trace}`],
  [`00-${trace}-5be1c9d07f3a2244-01`, `/traces/${trace}`],
  ['5be1c9d07f3a2244', '/requests/5be1c9d07f3a2244'],
  ['', null],
  ['../../etc', null],
  [`${trace}0`, null],
])('%j leads to %j', (text, path) => {
  expect(pathOfId(text)).toBe(path);
});
