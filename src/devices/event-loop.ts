/**
 * Turns of the event loop. A device that computes at once (WebAssembly, the reference) settles its promises at once too, and
 * settled promises go before everything else: signals, timers, sockets and a page's clicks would wait until all the work is
 * done. So such a device lets the loop turn whenever somebody waits for it (`read`, `sync`, `pace`), and so do long loops on
 * the host. Whoever waits must expect that others have worked meanwhile, as on every device.
 */

/** Milliseconds that work may hold the event loop before the next turn is due. */
const LONGEST_HOLD = 50;

let lastTurn = performance.now();
let turn: Promise<void> | undefined;

/** Resolves when the event loop has turned: signals, timers and messages that were waiting have been seen. */
export function giveWay(): Promise<void> {
  turn ??= new Promise<void>(afterwards).then(() => {
    lastTurn = performance.now();
    turn = undefined;
  });
  return turn;
}

/** `giveWay` where the loop was held for 50 ms; undefined where it was not, so that short work does not wait. */
export function giveWayIfDue(): Promise<void> | undefined {
  return turn ?? (performance.now() - lastTurn > LONGEST_HOLD ? giveWay() : undefined);
}

/** Calls back in a later turn. Browsers stretch nested timeouts to 4 ms and far more in a hidden tab, messages never. */
function afterwards(done: () => void): void {
  if (typeof setImmediate === 'function') {
    setImmediate(done);
    return;
  }
  if (typeof MessageChannel === 'undefined') {
    setTimeout(done);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    done();
  };
  port2.postMessage(null);
}
