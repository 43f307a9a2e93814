import {join} from 'node:path';
import type {CachePolicy, PolicyFilter, PolicyLevel, PolicyLimits} from '../../api/cache/policy.ts';
import {formatByteSize, formatTimeSpan} from '../../configs/human-units.ts';
import {indent} from '../text.ts';

/** A policy as it holds, in the form of its file: what has no limit is left out. */
export function renderPolicy(policy: CachePolicy, folder: string): string[] {
  return [
    `# ${join(folder, 'policy.yaml')}, with what holds where it says nothing`,
    ...renderLimits(policy, policy.isEnabled),
    ...renderLevel('oci_images', policy.ociImages),
    ...renderLevel('files', policy.files),
  ];
}

function renderLevel(name: string, level: PolicyLevel): string[] {
  const lines = [
    ...renderLimits(level, level.isEnabled),
    ...(level.filters.length === 0 ? [] : ['filters:', ...level.filters.flatMap(renderFilter)]),
  ];
  return [`${name}:`, ...lines.map((line) => indent(line, '  '))];
}

function renderFilter(filter: PolicyFilter): string[] {
  const lines = filter.isIgnored ? ['ignore: true'] : renderLimits(filter);
  return [`- pattern: '${filter.pattern.source.replaceAll("'", "''")}'`, ...lines.map((line) => `  ${line}`)];
}

function renderLimits(limits: PolicyLimits, isEnabled?: boolean): string[] {
  const values: Readonly<Record<string, string | undefined>> = {
    enabled: isEnabled === undefined ? undefined : String(isEnabled),
    max_size: limits.maxBytes === undefined ? undefined : formatByteSize(limits.maxBytes),
    max_age: span(limits.maxAgeSeconds),
    max_num: text(limits.maxCount),
    check_after: span(limits.checkAfterSeconds),
    keep_identified_versions: text(limits.keepIdentifiedVersions),
    eviction: limits.eviction,
  };
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${value ?? ''}`);
}

function span(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : `${seconds}s  # ${formatTimeSpan(seconds)}`;
}

function text(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

/** The same for machines: sizes in bytes, durations in seconds, null for no limit. */
export function toPlainPolicy(policy: CachePolicy): object {
  const limits = (level: PolicyLimits) => ({
    max_size: level.maxBytes ?? null,
    max_age: level.maxAgeSeconds ?? null,
    max_num: level.maxCount ?? null,
    check_after: level.checkAfterSeconds ?? null,
    keep_identified_versions: level.keepIdentifiedVersions ?? null,
    eviction: level.eviction,
  });
  const level = ({isEnabled, filters, ...rest}: PolicyLevel) => ({
    enabled: isEnabled,
    ...limits(rest),
    filters: filters.map((filter) => ({
      pattern: filter.pattern.source,
      ignore: filter.isIgnored,
      ...limits(filter),
    })),
  });
  return {
    enabled: policy.isEnabled,
    ...limits(policy),
    oci_images: level(policy.ociImages),
    files: level(policy.files),
  };
}
