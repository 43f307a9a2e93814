#!/usr/bin/env node
import {createContext} from './context.ts';
import {runOtaImageTools} from './run-ota-image-tools.ts';

await runOtaImageTools(process.argv.slice(2), createContext());
