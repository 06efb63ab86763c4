//! The suite of all archives, on a server that waits for the disk and is ended without a warning.

use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::archive::conformance::{Subject, check, steps};

struct OnServer<'a> {
    server: &'a PostgresServer,
    url: String,
    archive: Option<Arc<dyn Archive>>,
}

impl Subject for OnServer<'_> {
    fn archive(&self) -> Arc<dyn Archive> {
        Arc::clone(self.archive.as_ref().expect("open between steps"))
    }

    fn reopen(&mut self) {
        self.archive = None;
        self.archive = Some(archive(&self.url));
    }

    fn crash(&mut self) {
        self.archive = None;
        self.server.crash();
        self.server.start_again();
        self.reopen();
    }
}

#[test]
fn it_answers_as_a_list_does_whatever_crashes() {
    let server = PostgresServer::start(Fsync::On);
    let config = Config { cases: 4, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps(40), |steps| {
        let mut subject = OnServer { server: &server, url: server.database(), archive: None };
        subject.reopen();
        check(&mut subject, &steps)
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
