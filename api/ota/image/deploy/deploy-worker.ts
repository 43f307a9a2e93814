import {workerData} from 'node:worker_threads';
import {serveTasks} from '../../serve-tasks.ts';
import type {DeployTask} from './deploy-task.ts';
import {FileMaker, type FileMakerData} from './file-maker.ts';

const maker = new FileMaker(workerData as FileMakerData);
serveTasks((task: DeployTask) => maker.run(task));
