/**
 * Runs steps on a volume in a process of its own, for tests that kill it or let two runs meet.
 *
 * usage: rig-child.ts VOLUME STEPS (as JSON)
 *
 * Prints each event as a line of JSON, and at the end the outcome of each step.
 */
import type {Step} from '../../api/components/step.ts';
import {Rig, summaryOf} from './rig.ts';

const [volume = '', steps = '[]'] = process.argv.slice(2);
const run = await new Rig(volume).run(JSON.parse(steps) as Step[], {
  onEvent: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
});
process.stdout.write(`${JSON.stringify({type: 'outcomes', outcomes: summaryOf(run)})}\n`);
