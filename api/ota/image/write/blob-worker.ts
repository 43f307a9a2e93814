import {serveTasks} from '../../serve-tasks.ts';
import {doBlobTask, type BlobTask} from './blob-tasks.ts';

serveTasks((task: BlobTask) => doBlobTask(task));
