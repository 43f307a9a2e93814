import {stubStep, SwarmRig} from './swarm-rig.ts';

/**
 * A run of one stub step, as a process that can be killed.
 *
 * usage: swarm-child SOCKET REGISTRY SCRIPT
 */
const [socket = '', host = '', script = ''] = process.argv.slice(2);
const rig = new SwarmRig({manager: {socket}, registry: {host}});
const run = rig.start(stubStep('blank_image', script));
setInterval(() => {
  for (const event of run.events.splice(0)) process.stdout.write(`${JSON.stringify(event)}\n`);
}, 50);
await run.result;
