//! Threads for work that takes milliseconds of CPU, behind a bounded queue.
//!
//! An arbiter that computes stalls every actor on it, and actix's `SyncArbiter` queues without
//! bound. Here the queue refuses when it is full, so that the sender can shed the work by its own
//! rule.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use crate::port::{Port, Refusal, Refused};

/// A bounded queue of jobs and the threads that take from it.
///
/// The threads end when the last port is dropped, or when it is closed.
pub(crate) struct Workers<J> {
    queue: Queue<J>,
    threads: Vec<JoinHandle<()>>,
}

/// The entrance that all ports share; none when it is closed.
type Queue<J> = Arc<Mutex<Option<SyncSender<J>>>>;

impl<J: Send + 'static> Workers<J> {
    /// Starts one thread for each of `workers`; at most `capacity` jobs wait.
    ///
    /// A worker answers for its own panics (it must report an outcome); one that unwinds
    /// nevertheless loses that job and goes on.
    pub(crate) fn start<W>(name: &str, capacity: usize, workers: Vec<W>) -> io::Result<Self>
    where
        W: FnMut(J) + Send + 'static,
    {
        let (queue, jobs) = sync_channel(capacity);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::with_capacity(workers.len());
        for (number, worker) in workers.into_iter().enumerate() {
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new().name(format!("{name}-{number}"));
            threads.push(thread.spawn(move || work_off(&jobs, worker))?);
        }
        Ok(Self { queue: Arc::new(Mutex::new(Some(queue))), threads })
    }

    /// Where jobs are handed in.
    pub(crate) fn port(&self) -> Port<J> {
        let queue = Arc::clone(&self.queue);
        Port::from_fn(move |job| {
            // Nothing under the lock can panic.
            let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(queue) = queue.as_ref() else {
                return Err(Refused { message: job, why: Refusal::Down });
            };
            queue.try_send(job).map_err(|error| match error {
                TrySendError::Full(message) => Refused { message, why: Refusal::Busy },
                TrySendError::Disconnected(message) => Refused { message, why: Refusal::Down },
            })
        })
    }

    /// Takes no more jobs, whoever has a port. The threads end when what waits is worked off.
    pub(crate) fn close(self) -> Vec<JoinHandle<()>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.threads
    }
}

impl<J> fmt::Debug for Workers<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workers")
    }
}

fn work_off<J>(jobs: &Mutex<Receiver<J>>, mut worker: impl FnMut(J)) {
    loop {
        // A poisoned lock only means that another thread unwound while it waited for a job.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(|| worker(job))).is_err() {
            tracing::error!("a worker panicked and lost its job");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_full_queue_gives_the_job_back() {
        let (entered, has_entered) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let worker = move |_: u32| {
            entered.send(()).expect("test listens");
            released.recv().expect("test releases");
        };
        let workers = Workers::start("test", 2, vec![worker]).expect("threads");
        let port = workers.port();
        port.tell(0).expect("goes to the worker");
        has_entered.recv().expect("the worker has it");
        port.tell(1).expect("waits");
        port.tell(2).expect("waits");
        let refused = port.tell(3).expect_err("full");
        assert_eq!((refused.message, refused.why), (3, Refusal::Busy));
        for _ in 0..3 {
            release.send(()).expect("the worker waits");
        }
    }

    #[test]
    fn a_closed_queue_works_off_what_it_has_and_takes_no_more() {
        let (done, results) = mpsc::channel();
        let workers = Workers::start("test", 4, vec![move |job: u32| done.send(job).expect("listens")]);
        let workers = workers.expect("threads");
        let port = workers.port();
        for job in 0..4 {
            port.tell(job).expect("taken");
        }
        for thread in workers.close() {
            thread.join().expect("ends");
        }
        assert_eq!(port.tell(4).map_err(|refused| refused.why), Err(Refusal::Down));
        assert_eq!(results.iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_job_that_panics_does_not_take_the_worker_with_it() {
        let (done, results) = mpsc::channel();
        let worker = move |job: u32| {
            assert_ne!(job, 0, "a bug, on purpose");
            done.send(job).expect("test listens");
        };
        let workers = Workers::start("test", 4, vec![worker]).expect("threads");
        let port = workers.port();
        port.tell(0).expect("taken");
        port.tell(7).expect("taken");
        assert_eq!(results.recv(), Ok(7));
    }
}
