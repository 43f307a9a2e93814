import {unreachable} from '../../api/errors.ts';
import type {FlashEvent, FlashProgress} from '../../api/flash/flash-event.ts';
import {renderEnd, renderProgress, renderStart} from './flash-line.ts';
import {ProgressScreen, type ScreenOptions} from './progress-screen.ts';

/** Where nothing can be drawn, a line for every tenth of the way. */
const plainSteps = 10;

/** Draws `flash` and `personalise`: one line of progress on a terminal, a few lines elsewhere. */
export class FlashReporter implements Disposable {
  readonly #screen: ProgressScreen;
  #subject = '';
  #startedMs = 0;
  #step = 0;

  constructor(options: ScreenOptions) {
    this.#screen = new ProgressScreen(options);
  }

  on(event: FlashEvent): void {
    const {colors, symbols, isLive} = this.#screen;
    switch (event.type) {
      case 'flash-phase-started':
        this.#subject = event.subject;
        this.#startedMs = this.#screen.nowMs;
        this.#step = 0;
        if (!isLive) this.#screen.print(renderStart(event.phase, event.subject));
        return;
      case 'flash-progress':
        this.#draw(event);
        return;
      case 'flash-phase-finished':
        this.#screen.print(
          `${colors.green(symbols.done)} ${renderEnd(event.phase, event.doneBytes, event.durationMs)}`,
        );
        return;
      case 'notice':
        this.#screen.notice(event);
        return;
      default:
        unreachable(event);
    }
  }

  stopping(): void {
    this.#screen.stopping();
  }

  /** Gives the terminal back, for a question. The next event draws again. */
  pause(): void {
    this.#screen.pause();
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #draw(event: FlashProgress): void {
    const elapsedMs = this.#screen.nowMs - this.#startedMs;
    this.#screen.draw((columns) => [renderProgress(event, this.#subject, elapsedMs, columns)]);
    if (this.#screen.isLive) return;
    const {doneBytes, totalBytes} = event;
    if (totalBytes === undefined || doneBytes === totalBytes) return;
    const step = Math.floor((doneBytes * plainSteps) / totalBytes);
    if (step <= this.#step) return;
    this.#step = step;
    this.#screen.print(renderProgress(event, this.#subject, elapsedMs, 200));
  }
}
