import type {Configs} from '../../configs/schema.ts';
import {wholeName, type ImagePins} from './pins.ts';
import {gibibyte, type PinnedImage, type Step} from './step.ts';

/** What the board runs. */
export const boardPlatform = {os: 'linux', architecture: 'arm64', variant: 'v8'} as const;

/** The step that fetches the Docker images of the card from their registries; none where there are none. */
export function preloadSteps({rpi_sd_image: card}: Configs, pins: ImagePins): Step[] {
  const images = card.preload.flatMap((item, index): PinnedImage[] => {
    if (typeof item !== 'string') return [];
    const name = wholeName(item);
    const digest = pins.get(name) ?? '';
    // As the file on the card: in the order of the configuration, and by its digest.
    return [{name, digest, output: `${String(index).padStart(3, '0')}-${digest.replace('sha256:', '')}.tar`}];
  });
  if (images.length === 0) return [];
  return [
    {
      name: 'rpi_sd_image.preload',
      component: 'rpi_sd_image',
      description: images.length === 1 ? (images[0]?.name ?? '') : `${images.length} Docker images`,
      contract: 1,
      buildImage: 'rpi_sd_image',
      imageName: '',
      command: [],
      settings: [
        {
          field: 'rpi_sd_image.preload',
          variable: 'IMAGES',
          value: images.map(({name, digest}) => `${name} ${digest}`).join('\n'),
        },
      ],
      inputs: [],
      outputs: images.map(({output}) => ({name: output, delivered: false})),
      network: false,
      memoryBytes: gibibyte,
      images,
    },
  ];
}
