import {z} from 'zod';

/** A sys config: how the device sets itself up. The blob is the caller's YAML file, byte for byte. */
export const SysConfig = z.object({
  hostname: z.string(),
  extra_mount: z
    .array(
      z.object({
        file_system: z.string(),
        mount_point: z.string(),
        type: z.string(),
        options: z.string().optional(),
      }),
    )
    .optional(),
  /** `size` in GiB. */
  swap: z.object({filepath: z.string(), size: z.int().positive()}).optional(),
  /** `key=value` each. */
  sysctl: z.array(z.string()).optional(),
  /** Paths that survive an update. */
  persist_files: z.array(z.string()).optional(),
  network: z.record(z.string(), z.unknown()).optional(),
  'otaclient.ecu_info': z.record(z.string(), z.unknown()).optional(),
  'otaclient.proxy_info': z.record(z.string(), z.unknown()).optional(),
});
export type SysConfig = z.infer<typeof SysConfig>;
