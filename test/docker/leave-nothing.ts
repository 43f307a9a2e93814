import {connectDocker} from '../../api/docker/client.ts';
import {label} from '../../api/docker/labels.ts';
import {DockerVolumes} from '../../api/docker/volumes.ts';
import {defaultPackageVolume} from '../../api/options.ts';

/** Removes what tests may leave when they are stopped in the middle, and the package volume that they make in passing. */
export default async function leaveNothing(): Promise<() => Promise<void>> {
  const before = new Set(await testVolumes());
  return async () => {
    const {docker} = await connectDocker();
    const volumes = new DockerVolumes(docker);
    for (const name of await testVolumes()) {
      if (!before.has(name)) await volumes.remove(name);
    }
  };
}

async function testVolumes(): Promise<string[]> {
  const {docker} = await connectDocker();
  const names = (await new DockerVolumes(docker).list(label.content)).map(({name}) => name);
  return names.filter((name) => name.startsWith('hypriotkit-test-') || name === defaultPackageVolume);
}
