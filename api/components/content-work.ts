import type {ContentConfig} from '../content/content-config.ts';
import type {Setting} from './step.ts';

/** What the client does for a content image. Whatever of it counts for the result is among the settings of the step. */
export type ContentWork = SourcesWork | FillWork;

/** Fetches what comes from servers, and writes down what it is. */
export interface SourcesWork {
  readonly kind: 'content-sources';
  readonly config: ContentConfig;
  readonly sources: readonly SourceVersion[];
}

/** Fills the card. */
export interface FillWork {
  readonly kind: 'content';
  readonly config: ContentConfig;
  /** The packed image. */
  readonly artifact: string;
}

/** Something from a server, in the version that is there. */
export interface SourceVersion {
  /** Address, or name of a container image. */
  readonly name: string;
  /** As the server says it; no two are the same where it says nothing. Empty where nobody has asked. */
  readonly version: string;
}

/** What a card is filled with. */
export interface CardContent {
  readonly config: ContentConfig;
  /** All that counts of it, nothing of this machine. */
  readonly settings: readonly Setting[];
  /** Each of its sources on servers. */
  readonly sources: readonly SourceVersion[];
}

/** Where only the names of steps matter. */
export const noContent: CardContent = {
  config: {
    base: {source: {kind: 'pipeline', path: ''}, checksum: undefined, rootBytes: undefined},
    outputBytes: undefined,
    shrink: false,
    images: [],
    files: [],
    offspot: undefined,
  },
  settings: [],
  sources: [],
};
