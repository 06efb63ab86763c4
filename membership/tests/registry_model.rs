//! The registry file is the in-memory ledger, whatever happens to the processes that use it.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use proptest::{prelude::*, sample::Index};
use weir_membership::{InMemoryLedger, Ledger, LedgerEvent, RegistryFile, Rules};
use weir_rln::{IdentityCommitment, UserMessageLimit};

/// Processes that share the file.
const HANDLES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Register {
        handle: usize,
        member: u8,
        limit: u32,
    },
    Erase {
        handle: usize,
        member: u8,
    },
    Poll {
        handle: usize,
    },
    Look {
        handle: usize,
        member: u8,
    },
    /// The process ends and another starts.
    Reopen {
        handle: usize,
    },
    /// A process dies while it appends, leaving this many bytes of a record.
    DieWriting {
        bytes: usize,
        fill: u8,
    },
    /// The power fails after the file grew and before the record's bytes were stored.
    LosePower,
    /// The file is cut within its last record, as if that one had never been finished.
    TearLastRecord {
        keep: Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (handle, member) = (0..HANDLES, 0u8..8);
    prop_oneof![
        6 => (handle.clone(), member.clone(), 1u32..8)
            .prop_map(|(handle, member, limit)| Step::Register { handle, member, limit }),
        2 => (handle.clone(), member.clone()).prop_map(|(handle, member)| Step::Erase { handle, member }),
        3 => handle.clone().prop_map(|handle| Step::Poll { handle }),
        2 => (handle.clone(), member).prop_map(|(handle, member)| Step::Look { handle, member }),
        1 => handle.prop_map(|handle| Step::Reopen { handle }),
        2 => (1usize..64, any::<u8>()).prop_map(|(bytes, fill)| Step::DieWriting { bytes, fill }),
        1 => Just(Step::LosePower),
        1 => any::<Index>().prop_map(|keep| Step::TearLastRecord { keep }),
    ]
}

fn commitment(member: u8) -> IdentityCommitment {
    let mut bytes = [0; 32];
    bytes[0] = member;
    IdentityCommitment::from_bytes(&bytes).expect("a small number is canonical")
}

/// The file and its model side by side. Refusals are compared by their text, which has all values.
struct World {
    path: std::path::PathBuf,
    handles: Vec<RegistryFile>,
    model: InMemoryLedger,
    /// All events so far, and how many of them each handle was given.
    events: Vec<LedgerEvent>,
    given: [usize; HANDLES],
}

impl World {
    fn new(directory: &Path) -> Self {
        let path = directory.join("registry");
        let rules = Rules::new(2, 6, 5).expect("lawful rules");
        let open = || RegistryFile::open_with_rules(&path, rules).expect("a sound registry");
        let handles = (0..HANDLES).map(|_| open()).collect();
        Self { path, handles, model: InMemoryLedger::new(rules), events: Vec::new(), given: [0; HANDLES] }
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::Register { handle, member, limit } => {
                let limit = UserMessageLimit::new(limit).expect("within 16 bits");
                let ours = self.handles[handle].register(commitment(member), limit);
                let models = self.model.register(commitment(member), limit);
                assert_eq!(format!("{ours:?}"), format!("{models:?}"));
            }
            Step::Erase { handle, member } => {
                let ours = self.handles[handle].erase(&commitment(member));
                let models = self.model.erase(&commitment(member));
                assert_eq!(format!("{ours:?}"), format!("{models:?}"));
            }
            Step::Poll { handle } => {
                let polled = self.handles[handle].poll().expect("a sound registry");
                assert_eq!(polled, self.events[self.given[handle]..]);
                self.given[handle] = self.events.len();
            }
            Step::Look { handle, member } => {
                let ours = self.handles[handle].membership(&commitment(member)).expect("a sound registry");
                assert_eq!(ours, self.model.membership(&commitment(member)).expect("memory does not fail"));
            }
            Step::Reopen { handle } => {
                self.handles[handle] = RegistryFile::open(&self.path).expect("a sound registry");
                self.given[handle] = 0;
            }
            Step::DieWriting { bytes, fill } => self.append_if_whole(&vec![fill; bytes]),
            Step::LosePower => self.append_if_whole(&[0; 64]),
            Step::TearLastRecord { keep } => self.tear_last_record(keep),
        }
        self.events.extend(self.model.poll().expect("memory does not fail"));
    }

    /// One unfinished record at most: the next writer cuts it off before it writes.
    fn append_if_whole(&self, bytes: &[u8]) {
        let whole = 64 * (1 + self.events.len()) as u64;
        if self.length() == whole {
            let mut file = OpenOptions::new().append(true).open(&self.path).expect("the registry");
            file.write_all(bytes).expect("room");
        }
    }

    /// Cuts an unfinished record further; a finished one is never lost.
    fn tear_last_record(&self, keep: Index) {
        let whole = 64 * (1 + self.events.len()) as u64;
        let unfinished = self.length() - whole;
        if unfinished > 0 {
            let kept = keep.index(unfinished as usize) as u64;
            let file = OpenOptions::new().write(true).open(&self.path).expect("the registry");
            file.set_len(whole + kept).expect("shorter");
        }
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.path).expect("the registry").len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_history_of_several_processes_is_that_of_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut world = World::new(directory.path());
        for step in steps {
            world.perform(step);
        }
        for handle in 0..HANDLES {
            world.perform(Step::Poll { handle });
            let ours = world.handles[handle].memberships().expect("a sound registry");
            prop_assert_eq!(ours, world.model.memberships().expect("memory does not fail"));
        }
        let reopened = RegistryFile::open(&world.path).expect("a sound registry").poll().expect("sound");
        prop_assert_eq!(reopened, world.events);
    }
}
