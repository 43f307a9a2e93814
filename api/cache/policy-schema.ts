import {z} from 'zod';
import {findByteSize, findTimeSpan} from '../../configs/human-units.ts';
import {evictionStrategies} from './policy.ts';

/** 0 is no limit; undefined where the key is absent or has no value. */
const size = z
  .unknown()
  .optional()
  .transform((value, context) =>
    amount(value, findByteSize, context, 'must be a size such as 10GiB or 500 MB, or 0 for no limit'),
  );

/** Seconds. */
const duration = z
  .unknown()
  .optional()
  .transform((value, context) =>
    amount(value, findTimeSpan, context, 'must be a duration such as 30d, 4 weeks or 1y, or 0 for none'),
  );

const count = z
  .unknown()
  .optional()
  .transform((value, context) =>
    amount(value, () => undefined, context, 'must be a whole number, or 0 for no limit'),
  );

function amount(
  value: unknown,
  read: (text: string) => number | undefined,
  context: z.core.$RefinementCtx,
  message: string,
): number | undefined {
  if (value === undefined || value === null) return undefined;
  const found = typeof value === 'string' ? read(value) : value;
  if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return found;
  context.addIssue({code: 'custom', message});
  return z.NEVER;
}

const flag = (otherwise: boolean) =>
  z
    .boolean({error: 'must be true or false'})
    .nullish()
    .transform((value) => value ?? otherwise);

const eviction = z
  .union([z.enum(evictionStrategies), z.literal('')], {
    error: `must be one of ${evictionStrategies.join(', ')}`,
  })
  .nullish()
  .transform((value) => value || ('lru' as const));

/** Python's and JavaScript's syntax differ in what nobody writes for an address, but for the inline flag. */
const pattern = z
  .string({error: 'must be a regular expression, which is searched in the address or image reference'})
  .min(1, 'must not be empty: "^" matches everything')
  .transform((text, context) => {
    try {
      return new RegExp(text.replace(/^\(\?i\)/, ''), 'i');
    } catch (error) {
      const why = (error as Error).message.replace(/^Invalid regular expression: /, '');
      context.addIssue({code: 'custom', message: `is not a regular expression: ${why}`});
      return z.NEVER;
    }
  });

const limits = {
  max_size: size,
  max_age: duration,
  max_num: count,
  check_after: duration,
  keep_identified_versions: count,
  eviction,
};

const Filter = z.object(
  {pattern, ignore: flag(false), ...limits},
  {error: 'must be a mapping with a pattern'},
);

const Level = z
  .object(
    {
      enabled: flag(true),
      ...limits,
      filters: z
        .array(Filter, {error: 'must be a list of mappings, each with a pattern'})
        .nullish()
        .transform((filters) => filters ?? []),
    },
    {error: 'must be a mapping'},
  )
  .nullish()
  .transform((level) => level ?? {enabled: true, eviction: 'lru' as const, filters: []});

/** The document of `policy.yaml`, with its own names. */
export const PolicyDocument = z.object(
  {enabled: flag(true), ...limits, oci_images: Level, files: Level},
  {error: 'must be a mapping'},
);
export type PolicyDocument = z.infer<typeof PolicyDocument>;
export type LevelDocument = PolicyDocument['files'];
export type FilterDocument = LevelDocument['filters'][number];
export type LimitsDocument = Partial<Pick<FilterDocument, keyof typeof limits>>;

const limitKeys = Object.keys(limits);
/** The keys of each level, for the search for misspelled ones. */
export const policyKeys = {
  main: ['enabled', ...limitKeys, 'oci_images', 'files'],
  level: ['enabled', ...limitKeys, 'filters'],
  filter: ['pattern', 'ignore', ...limitKeys],
} as const;
