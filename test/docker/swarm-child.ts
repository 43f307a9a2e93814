import {stubStep, SwarmRig} from './swarm-rig.ts';

/**
 * A run of one stub step, as a process that can be killed, on a machine whose clock is an hour ahead.
 *
 * usage: swarm-child SOCKET REGISTRY SCRIPT
 */
const now = () => performance.timeOrigin + performance.now() + 3_600_000;
globalThis.Date = new Proxy(Date, {
  construct: (real, of: unknown[]) => Reflect.construct(real, of.length === 0 ? [now()] : of) as Date,
  get: (real, name) => (name === 'now' ? now : (Reflect.get(real, name) as unknown)),
});

const [socket = '', host = '', script = ''] = process.argv.slice(2);
const rig = new SwarmRig({manager: {socket}, registry: {host}});
const run = rig.start(stubStep('blank_image', script));
setInterval(() => {
  for (const event of run.events.splice(0)) process.stdout.write(`${JSON.stringify(event)}\n`);
}, 50);
await run.result;
