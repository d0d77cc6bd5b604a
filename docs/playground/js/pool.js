// The workers, and a queue of jobs for them. What each job does is in worker.js.

export class Pool {
  // source: the workers' code as text; data: what each of them gets at the start
  constructor(source, data, size) {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.queue = [];
    this.idle = [];
    this.size = size;
    for (let i = 0; i < size; i++) {
      const worker = new Worker(url);
      worker.onerror = (event) => this.onError?.(event.message || "a worker could not be started");
      this.give(worker, { job: { kind: "start", data }, done: () => {} });
    }
  }

  // The answer to a job.
  run(job) {
    return new Promise((done) => {
      this.queue.push({ job, done });
      this.next();
    });
  }

  // Drops the jobs that no worker has begun. Who waits for one of them waits for ever: only a run that is given up may.
  clear() {
    this.queue = [];
  }

  next() {
    while (this.idle.length && this.queue.length) this.give(this.idle.pop(), this.queue.shift());
  }

  give(worker, { job, done }) {
    worker.onmessage = ({ data: answer }) => {
      this.idle.push(worker);
      if (answer.error) this.onError?.(answer.error);
      else done(answer);
      this.next();
    };
    worker.postMessage(job);
  }
}
