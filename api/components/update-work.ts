/** An ECU of an update. */
export interface UpdateEcu {
  readonly id: string;
  /** Where its system configuration lies among the files of the step; absent for none. */
  readonly sysConfig?: string;
}

/**
 * What the client makes of a step's inputs and files, because it needs the user's key, or a library that is there only.
 * Plain data; whatever of it counts for the result is among the settings of the step, too.
 */
export type UpdateWork = ImageWork | LegacyWork | OfflineWork | AgentBundleWork;

/** An OTA image, version 1. */
export interface ImageWork {
  readonly kind: 'image';
  readonly artifact: string;
  readonly ecus: readonly UpdateEcu[];
  readonly releaseKey: 'dev' | 'prd';
  readonly annotations: Readonly<Record<string, string>>;
  readonly skipBundle: boolean;
  readonly skipCompression: boolean;
  readonly skipSlice: boolean;
}

/** An OTA image of the old format, as a tar. */
export interface LegacyWork {
  readonly kind: 'legacy';
  readonly artifact: string;
}

/** An image for devices without a network. */
export interface OfflineWork {
  readonly kind: 'offline';
  readonly artifact: string;
  /** What of the input is packed. */
  readonly image: string;
  readonly ecuIds: readonly string[];
  readonly version: string;
}

/** A bundle of an update agent, and the archive of its images. */
export interface AgentBundleWork {
  readonly kind: 'agent-bundle';
  readonly images: 'none' | 'registry' | 'layout';
}

/** Names of the files of these steps that do not come from a list. */
export const updateFiles = {description: 'description', layout: 'layout', more: 'files'} as const;

/** What is recorded of an OTA image beside it, for build.json. */
export const updateRecord = 'update.json';
