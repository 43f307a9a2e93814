/**
 * `hypriotkit/medium`: sticks for technicians.
 */
export {makeStick} from './make-stick.ts';
export type {Stick, StickEntry, StickOptions} from './make-stick.ts';
