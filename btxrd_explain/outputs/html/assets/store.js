/**
 * One value that several parts of the page follow.
 *
 * @template State
 * @typedef {{get: () => State, set: (patch: Partial<State>) => void, follow: (listener: (state: State) => void) => void}} Store
 */

/**
 * Make a store.
 *
 * @template State
 * @param {State} initial
 * @returns {Store<State>}
 */
export function createStore(initial) {
  let state = initial;
  /** @type {((state: State) => void)[]} */
  const listeners = [];
  return {
    get: () => state,
    set(patch) {
      state = { ...state, ...patch };
      listeners.forEach((listener) => listener(state));
    },
    follow(listener) {
      listeners.push(listener);
      listener(state);
    },
  };
}
