import deepmerge from 'deepmerge';
import {componentNames, type ComponentName, type Configs, type UserConfigs} from './schema.ts';

/** What a user's configuration means. */
export interface MergedConfigs {
  /** Every component with every field. */
  readonly components: Configs;
  /** The components that the user listed, in the order of the graph. */
  readonly requested: readonly ComponentName[];
}

/**
 * Combines the defaults with what a user wrote.
 *
 * Only the components that the user lists are requested. Field by field the user's values win; lists are replaced, not
 * appended to. A component that is not listed has its defaults, for those that depend on it.
 */
export function mergeConfigs(defaults: Configs, user: UserConfigs): MergedConfigs {
  const {$schema: _, ...listed} = withoutUndefined(user);
  const fields: Partial<Record<ComponentName, object>> = {};
  for (const name of componentNames) {
    const component = name === 'rpi_kernel' ? listed[name] && renameKernelBranch(listed[name]) : listed[name];
    if (component !== undefined) fields[name] = withoutUndefined(component);
  }
  return {
    // Copies, so that nobody who changes the result changes the defaults.
    components: deepmerge<Configs>(defaults, fields as Partial<Configs>, {
      arrayMerge: (_a, b: unknown[]) => [...b],
    }),
    requested: componentNames.filter((name) => name in fields),
  };
}

/** `kernel_branch` is the name that hypriot-kit 2 gave to `branch`. */
function renameKernelBranch(component: NonNullable<UserConfigs['rpi_kernel']>): object {
  const {kernel_branch: branch, ...rest} = component;
  return {branch, ...withoutUndefined(rest)};
}

/** deepmerge lets an explicit `undefined` win. */
function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
