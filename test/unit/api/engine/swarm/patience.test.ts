import {describe, expect, it} from 'vitest';
import {isAway, Patience} from '../../../../../api/engine/swarm/patience.ts';

const refused = Object.assign(new Error('connect ECONNREFUSED'), {code: 'ECONNREFUSED'});

describe('patience with the manager of a swarm', () => {
  it('asks again until it is back, and says so once each', async () => {
    const said: string[] = [];
    const patience = new Patience(new AbortController().signal, (message) => said.push(message));
    let left = 2;
    const answer = await patience.ask(() => (left-- > 0 ? Promise.reject(refused) : Promise.resolve('here')));
    expect(answer).toBe('here');
    expect(said).toEqual([
      'the manager of the swarm cannot be reached (connect ECONNREFUSED); waiting for it',
      'the manager of the swarm is back',
    ]);
    expect(patience.isAway).toBe(false);
  });

  it('takes an answer for one, also a refusal', async () => {
    const patience = new Patience(new AbortController().signal, () => undefined);
    const conflict = Object.assign(new Error('name conflicts'), {statusCode: 409});
    await expect(patience.ask(() => Promise.reject(conflict))).rejects.toBe(conflict);
  });

  it('ends when the user stops', async () => {
    const abort = new AbortController();
    const patience = new Patience(abort.signal, () => abort.abort());
    await expect(patience.ask(() => Promise.reject(refused))).rejects.toThrow();
  });

  it.each([
    [{statusCode: 503}, 'This node is not a swarm manager', true],
    [{statusCode: 500}, 'rpc error: The swarm does not have a leader', true],
    [{statusCode: 500}, 'bad parameter', false],
    [{statusCode: 404}, 'no such service', false],
    [{}, 'socket hang up', true],
    [{}, 'x is not a function', false],
  ])('knows who is away: %j %s', (more, message, away) => {
    expect(isAway(Object.assign(new Error(message), more))).toBe(away);
  });
});
