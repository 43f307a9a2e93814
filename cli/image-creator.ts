#!/usr/bin/env node
import {createContext} from './context.ts';
import {runImageCreator} from './run-image-creator.ts';

await runImageCreator(process.argv.slice(2), createContext());
