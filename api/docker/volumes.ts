import type Dockerode from 'dockerode';
import {isConflict, isNotFound} from './images.ts';

export interface FoundVolume {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where the volume lies on the engine's machine. */
  readonly mountpoint: string;
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
  /** Absent where the engine does not report it. */
  readonly createdAt?: Date;
}

/** The volumes of an engine. */
export class DockerVolumes {
  readonly #docker: Dockerode;

  constructor(docker: Dockerode) {
    this.#docker = docker;
  }

  async find(name: string): Promise<FoundVolume | undefined> {
    try {
      return toFound(await this.#docker.getVolume(name).inspect());
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Creates a plain volume, or does nothing when it exists. */
  async create(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    await this.#docker.createVolume({Name: name, Driver: 'local', Labels: {...labels}});
  }

  /**
   * Creates a volume whose content is a folder on the engine's machine: the way, on every engine, to give a
   * container one part of another volume. Removing it leaves the folder as it is.
   */
  async createView(name: string, folder: string, labels: Readonly<Record<string, string>>): Promise<void> {
    await this.#docker.createVolume({
      Name: name,
      Driver: 'local',
      DriverOpts: {type: 'none', o: 'bind', device: folder},
      Labels: {...labels},
    });
  }

  async list(labelFilter: string): Promise<readonly FoundVolume[]> {
    const found = (await this.#docker.listVolumes({filters: {label: [labelFilter]}})) as {
      // The engine answers null, and not an empty list, when there is none.
      Volumes: readonly RawVolume[] | null;
    };
    return (found.Volumes ?? []).map(toFound);
  }

  /** False when it does not exist or a container uses it. */
  async remove(name: string): Promise<boolean> {
    try {
      await this.#docker.getVolume(name).remove();
      return true;
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return false;
      throw error;
    }
  }
}

/** A volume as the engine describes it: where dockerode's types promise an object, it may answer null. */
interface RawVolume {
  readonly Name: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Mountpoint: string;
  readonly Driver: string;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly CreatedAt?: string;
}

function toFound(volume: RawVolume): FoundVolume {
  return {
    name: volume.Name,
    labels: volume.Labels ?? {},
    mountpoint: volume.Mountpoint,
    driver: volume.Driver,
    options: volume.Options ?? {},
    ...(volume.CreatedAt !== undefined && {createdAt: new Date(volume.CreatedAt)}),
  };
}
