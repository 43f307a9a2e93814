import {describe, expect, it} from 'vitest';
import {Interrupt} from '../../../cli/interrupt.ts';
import {FakeProcess} from './run-command.ts';

describe('Interrupt', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'aborts at the first %s and exits at the next',
    (name) => {
      const fake = new FakeProcess();
      using interrupt = new Interrupt(fake);
      const signal = interrupt.listen();
      fake.send(name);
      expect(signal.aborted).toBe(true);
      expect(fake.exits).toEqual([]);
      fake.send('SIGINT');
      expect(fake.exits).toEqual([130]);
    },
  );

  it('leaves signals alone until somebody listens, and after the end', () => {
    const fake = new FakeProcess();
    const interrupt = new Interrupt(fake);
    expect(fake.listenerCount).toBe(0);
    interrupt.listen();
    interrupt.listen();
    expect(fake.listenerCount).toBe(3);
    interrupt[Symbol.dispose]();
    expect(fake.listenerCount).toBe(0);
  });
});
