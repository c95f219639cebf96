//! Starts the real binary in folders of its own, without anything of the caller's environment, and never waits for it
//! longer than the limit.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The key every test uses where it does not name another.
pub(crate) const KEY: &str = "sk-or-v1-test-4f9d2c7b61";

/// No command of these tests needs nearly as long, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A working folder, a home and the environment of the commands run in it.
pub(crate) struct Shell {
    root: TempDir,
    variables: Vec<(String, OsString)>,
}

/// How a command ended. A command ended by a signal has no code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that runs.
pub(crate) struct Started {
    child: Child,
    deadline: Instant,
    outputs: [JoinHandle<Vec<u8>>; 2],
    ended: Receiver<()>,
    lines: Receiver<String>,
    words: String,
}

impl Shell {
    pub(crate) fn new() -> Shell {
        let root = tempfile::tempdir().unwrap();
        for folder in ["work", "home", "corsac"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        Shell { root, variables: Vec::new() }
    }

    /// A shell whose commands reach a server with the usual key.
    pub(crate) fn at(base_url: &str) -> Shell {
        Shell::new().set("OPENROUTER_BASE_URL", base_url).set("OPENROUTER_API_KEY", KEY)
    }

    /// Sets a variable; the last one of a name holds.
    pub(crate) fn set(mut self, name: &str, value: impl Into<OsString>) -> Shell {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn corsac_home(&self) -> PathBuf {
        self.root.path().join("corsac")
    }

    /// Writes a file into the working folder, and the folders on its way.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.start(arguments, b"").finish()
    }

    /// Runs `corsac sql`.
    pub(crate) fn sql(&self, query: &str, arguments: &[&str]) -> Ran {
        self.run(&[&["sql", query], arguments].concat())
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        self.start(arguments, input).finish()
    }

    pub(crate) fn run_in(&self, folder: &Path, arguments: &[&str]) -> Ran {
        self.start_in(folder, arguments, b"").finish()
    }

    pub(crate) fn start(&self, arguments: &[&str], input: &[u8]) -> Started {
        self.start_in(&self.folder(), arguments, input)
    }

    fn start_in(&self, folder: &Path, arguments: &[&str], input: &[u8]) -> Started {
        let mut child = Command::new(env!("CARGO_BIN_EXE_corsac"))
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("HOME", self.root.path().join("home"))
            .env("CORSAC_HOME", self.corsac_home())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // a command that does not read its input closes the pipe, which is its right
        std::thread::spawn(move || stdin.write_all(&input).is_ok());
        let (word, ended) = channel();
        let (told, lines) = channel();
        let mut stdout = child.stdout.take().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let out_word = word.clone();
        let out = std::thread::spawn(move || {
            let _word = out_word;
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let err = std::thread::spawn(move || {
            let _word = word;
            let mut bytes = Vec::new();
            let mut piece = [0; 4_096];
            while let Ok(length @ 1..) = stderr.read(&mut piece) {
                bytes.extend_from_slice(&piece[..length]);
                // nobody listens unless a test waits for a word
                let _ = told.send(String::from_utf8_lossy(&piece[..length]).into_owned());
            }
            bytes
        });
        Started { child, deadline: Instant::now() + LIMIT, outputs: [out, err], ended, lines, words: String::new() }
    }
}

impl Started {
    /// Sends a signal by its name, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success(), "kill -{name} failed");
    }

    /// Waits until stderr says something, and gives all that it said so far.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        while !self.words.contains(words) {
            match self.lines.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
                Ok(more) => self.words.push_str(&more),
                Err(_) => {
                    // it may have ended already
                    let _ = self.child.kill();
                    panic!("stderr never said {words:?}, but:\n{}", self.words);
                }
            }
        }
        self.words.clone()
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end; at the limit the command is killed and the test fails.
    pub(crate) fn finish(mut self) -> Ran {
        let late = self.ended.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout);
        if late {
            self.child.kill().unwrap();
        }
        let code = self.child.wait().unwrap().code();
        let [stdout, stderr] = self.outputs.map(|output| String::from_utf8(output.join().unwrap()).unwrap());
        let ran = Ran { code, stdout, stderr };
        assert!(!late, "killed after {LIMIT:?}: {ran:#?}");
        ran
    }
}

impl Ran {
    /// Fails with everything the command said unless it ended with this code.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless stderr says each of these.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Ran {
        for word in words {
            assert!(self.stderr.contains(word), "stderr does not say {word:?}:\n{}", self.stderr);
        }
        self
    }

    /// Fails unless stdout is exactly this.
    #[track_caller]
    pub(crate) fn prints(self, stdout: &str) -> Ran {
        assert_eq!(self.stdout, stdout, "\n--- stderr\n{}", self.stderr);
        self
    }

    /// The run's id, as the report names it.
    #[track_caller]
    pub(crate) fn run_id(&self) -> String {
        let line = self.stderr.lines().find_map(|line| line.strip_prefix("run "));
        line.and_then(|line| line.split_whitespace().next()).unwrap_or_else(|| panic!("no run id in:\n{}", self.stderr)).to_owned()
    }
}
