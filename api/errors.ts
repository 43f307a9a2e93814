import type {StepFailure} from './events/step-failure.ts';

/** Why something could not be done; stable, so that nobody has to match on a message. */
export type ErrorCode =
  | 'USAGE'
  | 'CONFIG_INVALID'
  | 'GRAPH_INVALID'
  | 'ENGINE_UNREACHABLE'
  | 'ENGINE_TOO_OLD'
  | 'ENGINE_UNSUITABLE'
  | 'BINFMT_UNAVAILABLE'
  | 'IMAGE_UNAVAILABLE'
  | 'IMAGE_BUILD_FAILED'
  | 'SOURCE_UNAVAILABLE'
  | 'PRIVILEGES_REFUSED'
  | 'VOLUME_UNUSABLE'
  | 'VOLUME_NOT_FOUND'
  | 'VOLUME_BUSY'
  | 'TARGET_UNUSABLE'
  | 'DELIVERY_FAILED'
  | 'ARTIFACT_CORRUPT'
  | 'INPUT_CHANGED'
  | 'BUILD_FAILED'
  | 'BOOT_FAILED'
  | 'LOCK_MISSING'
  | 'LOCK_DIFFERS'
  | 'OUTPUT_EXISTS'
  | 'OUTPUT_UNUSABLE'
  | 'INPUT_UNREADABLE'
  | 'TOOL_MISSING'
  | 'KEY_UNUSABLE'
  | 'BUNDLE_INVALID'
  | 'REGISTRY_FAILED'
  | 'IMAGE_UNUSABLE'
  | 'DEVICE_UNUSABLE'
  | 'DOWNLOAD_FAILED'
  | 'CACHE_UNUSABLE'
  | 'FLASH_FAILED'
  | 'CONTENT_TOO_LARGE'
  | 'NO_SPACE'
  | 'SOURCE_MISSING'
  | 'CONTENT_INVALID'
  | 'INTERRUPTED';

/** Whether work had begun: decides between exit codes 1 (the work failed) and 2 (could not start). */
const couldNotStart: ReadonlySet<ErrorCode> = new Set([
  'USAGE',
  'CONFIG_INVALID',
  'GRAPH_INVALID',
  'ENGINE_UNREACHABLE',
  'ENGINE_TOO_OLD',
  'ENGINE_UNSUITABLE',
  'VOLUME_UNUSABLE',
  'VOLUME_NOT_FOUND',
  'TARGET_UNUSABLE',
  'LOCK_MISSING',
  'LOCK_DIFFERS',
  'OUTPUT_EXISTS',
  'OUTPUT_UNUSABLE',
  'INPUT_UNREADABLE',
  'TOOL_MISSING',
  'KEY_UNUSABLE',
  'IMAGE_UNUSABLE',
  'DEVICE_UNUSABLE',
  'CACHE_UNUSABLE',
]);

/** The one error class that the API throws for what a user can cause or repair. */
export class PipelineError extends Error {
  override readonly name: string = 'PipelineError';
  readonly code: ErrorCode;
  /** What the user can do about it; printed under the message. */
  readonly hint: string | undefined;
  /** The steps that failed, when `code` is `BUILD_FAILED`; root failures only, never the cancelled ones. */
  readonly failures: readonly StepFailure[];

  constructor(
    code: ErrorCode,
    message: string,
    options: {hint?: string | undefined; cause?: unknown; failures?: readonly StepFailure[]} = {},
  ) {
    super(message, options.cause === undefined ? {} : {cause: options.cause});
    this.code = code;
    this.hint = options.hint;
    this.failures = options.failures ?? [];
  }

  get couldNotStart(): boolean {
    return couldNotStart.has(this.code);
  }
}

/** Ends a `switch` over a union: a new member then fails to compile wherever it is not handled. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
