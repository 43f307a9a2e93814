/** A WiFi network that the board should join. */
export interface WifiNetwork {
  readonly ssid: string;
  /** 8 to 63 characters, or 64 hex digits; absent for an open network. */
  readonly passphrase?: string;
  /** It does not announce its name. */
  readonly isHidden?: boolean;
}

/** What makes one card different from another. Everything is optional. */
export interface Personalisation {
  readonly hostname?: string;
  readonly wifi?: readonly WifiNetwork[];
  /** Two letters (ISO 3166-1), needed for WiFi: it decides which channels may be used. */
  readonly country?: string;
  /** Public keys in the form of OpenSSH, or paths of files that hold some. */
  readonly sshKeys?: readonly string[];
  /** Path of a file that replaces `user-data`. */
  readonly userData?: string;
  /** Path of a file that replaces `meta-data`. */
  readonly metaData?: string;
  /** Path of a file that replaces `network-config`. */
  readonly networkConfig?: string;
  /** Files to copy to the boot partition, at `destination` (default: under their own name). */
  readonly files?: readonly {readonly source: string; readonly destination?: string}[];
  /** Arguments for the kernel, as `quiet` or `cma=128M`; those of the same name are replaced. */
  readonly kernelArguments?: readonly string[];
  /** Lines for config.txt. */
  readonly configTxt?: readonly string[];
}

/** Whether there is anything to do. */
export function isPersonal(personalisation: Personalisation | undefined): personalisation is Personalisation {
  return Object.values(personalisation ?? {}).some((value: unknown) =>
    Array.isArray(value) ? value.length > 0 : value !== undefined,
  );
}
