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
    thread,
};

use crate::port::{Port, Refusal, Refused};

/// A bounded queue of jobs and the threads that take from it.
///
/// The threads end when the last port is dropped.
pub(crate) struct Workers<J> {
    queue: SyncSender<J>,
}

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
        for (number, worker) in workers.into_iter().enumerate() {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work_off(&jobs, worker))?;
        }
        Ok(Self { queue })
    }

    /// Where jobs are handed in.
    pub(crate) fn port(&self) -> Port<J> {
        let queue = self.queue.clone();
        Port::from_fn(move |job| {
            queue.try_send(job).map_err(|error| match error {
                TrySendError::Full(message) => Refused { message, why: Refusal::Busy },
                TrySendError::Disconnected(message) => Refused { message, why: Refusal::Down },
            })
        })
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
