#!/usr/bin/env node
import {createContext} from './context.ts';
import {runImagesPacker} from './run-images-packer.ts';

await runImagesPacker(process.argv.slice(2), createContext());
