import type {Personalisation} from '../personalise/personalisation.ts';
import type {FlashListener} from './flash-event.ts';

/** What is about to be written, for whoever has to agree. */
export interface FlashPlan {
  readonly image: string;
  readonly imageBytes: number;
  /** What of it will be written. */
  readonly mappedBytes: number;
  /** Path of the device or file. */
  readonly device: string;
  /** Absent for a file. */
  readonly deviceBytes?: number;
  readonly deviceModel?: string;
  /** Names of the file systems that will be lost. */
  readonly labels: readonly string[];
  /** What will be unmounted. */
  readonly mountPoints: readonly string[];
  /** Files of the boot partition that are personalised. */
  readonly files: readonly string[];
}

export interface FlashOptions {
  /** Path of an image (.img, or packed as zip, gz, xz or zst), an http(s) address, or a folder, whose newest .img is taken. */
  readonly image: string;
  /** A block device, or the path of a file to make. */
  readonly device: string;
  readonly personalisation?: Personalisation;
  /** Also write to disks that are no cards or sticks, and to loop devices; never to what the system runs on. */
  readonly allowNonRemovable?: boolean;
  /** Asked when everything is checked and before anything is changed; false ends it. Without it nobody is asked. */
  readonly confirm?: (plan: FlashPlan) => Promise<boolean>;
  readonly onEvent?: FlashListener;
  readonly signal?: AbortSignal;
}

export interface FlashResult {
  /** False when `confirm` said no. */
  readonly isWritten: boolean;
  readonly device: string;
  readonly imageBytes: number;
  readonly writtenBytes: number;
  readonly writeMs: number;
  readonly verifyMs: number;
  readonly files: readonly string[];
}

export interface PersonaliseOptions {
  /** Path of an .img, which is changed; packed or from elsewhere as in {@link FlashOptions} when there is an `output`. */
  readonly image: string;
  /** Leave the image as it is and write a changed copy here. */
  readonly output?: string;
  readonly personalisation: Personalisation;
  readonly onEvent?: FlashListener;
  readonly signal?: AbortSignal;
}

export interface PersonaliseResult {
  readonly path: string;
  /** What was written to the boot partition. */
  readonly files: readonly string[];
}
