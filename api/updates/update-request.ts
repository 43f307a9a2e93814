import type {StepFile} from '../components/step.ts';
import type {SigningMaterial} from '../ota/image/write/signing-key.ts';

/** What an update is made from, all of it on this machine. */
export interface UpdateRequest {
  /** Where the outputs go, and room for what is needed meanwhile. */
  readonly folder: string;
  readonly inputs: UpdateInputs;
  /** Files of the user's, as the step names them. */
  readonly files: readonly StepFile[];
  /** Absent: nothing is signed. */
  readonly signing?: SigningMaterial | undefined;
  /** Every time in the outputs, seconds since 1970. */
  readonly epoch: number;
  /** Says what is done now, in a few words. */
  readonly onProgress: (message: string) => void;
  /** Says something that the user may want to know. */
  readonly onNotice: (message: string) => void;
  readonly signal: AbortSignal;
}

/** Files that other steps made. */
export interface UpdateInputs {
  /** The image of the card, unpacked; of an image or legacy image. */
  readonly card?: {readonly path: string; readonly name: string; readonly sha256: string};
  /** The kernel as a root slot has it; of an image or legacy image. */
  readonly kernel?: string;
  /** The image that an offline bundle holds. */
  readonly image?: string;
}
