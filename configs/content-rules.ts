import type {BrokenRule} from './rules.ts';
import type {ComponentName, Configs} from './schema.ts';

/** The rules between content_image and the image that it fills. */
export function* findBrokenContentRules(
  {blank_image: blank, rpi_sd_image: card}: Configs,
  requested: readonly ComponentName[],
): Iterable<BrokenRule> {
  if (!requested.includes('content_image')) return;
  if (card.compression.every((form) => form === 'xz')) {
    const message = 'must have "none", "zip" or "zst" when content_image is built: it reads the image';
    yield {field: ['rpi_sd_image', 'compression'], others: [], message};
  }
  if (blank.layout !== 'single') {
    const message =
      'must be "single" when content_image is built: content lies behind the one root file system';
    yield {field: ['blank_image', 'layout'], others: [], message};
  }
}
