import type {Configs} from '../../configs/schema.ts';
import {noContent, type CardContent} from './content-work.ts';
import {gibibyte, packageList, withDigest, type Step} from './step.ts';

const component = 'content_image';

/** Raise it when other bytes come out for the same settings and inputs: what the client makes has no build image. */
const contract = 1;

/** The steps that fill a card: one knows what servers have, the other one makes the image of exactly that. */
export function contentImageSteps(
  {[component]: {version}}: Configs,
  content: CardContent = noContent,
): Step[] {
  const common = {
    component,
    contract,
    buildImage: '',
    imageName: '',
    command: [],
    network: false,
    memoryBytes: gibibyte,
  } as const;
  const {config, settings, sources} = content;
  const artifact = `hypriotos-rpi64-content-${version}.img.zst`;
  return [
    {
      ...common,
      name: `${component}.sources`,
      description: sources.length === 1 ? (sources[0]?.name ?? '') : `${sources.length} files and images`,
      settings: [
        {
          field: `${component}.config`,
          variable: 'SOURCES',
          value: sources.map(({name, version: there}) => `${name} ${there}`).join('\n'),
        },
      ],
      inputs: [],
      outputs: [{name: packageList, delivered: false}],
      client: {kind: 'content-sources', config, sources},
    },
    {
      ...common,
      name: component,
      description: `SD card image with content ${artifact}`,
      settings: [...settings, {field: `${component}.version`, variable: 'VERSION', value: version}],
      inputs: ['rpi_sd_image', `${component}.sources`],
      outputs: withDigest(artifact),
      client: {kind: 'content', config, artifact},
    },
  ];
}
