//! Training on several hosts, which are network namespaces of this machine: see `hosts.sh`. It needs root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gradus::train::Checkpoints;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts.sh")
}

/// Hosts, as long as this value lives.
struct Hosts;

impl Hosts {
    fn up(count: usize) -> Self {
        let hosts = Hosts;
        hosts.command(&["down"]);
        assert!(hosts.command(&["up", &count.to_string()]), "hosts can be made by root, with iproute2");
        hosts
    }

    fn command(&self, arguments: &[&str]) -> bool {
        Command::new(script()).args(arguments).status().expect("the script runs").success()
    }

    /// The numbers of the processes on a host.
    fn running(&self, host: usize) -> String {
        let output = Command::new(script()).args(["running", &format!("10.77.0.{host}")]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `digits_mpi`, started on the first host, with a rank on each of some hosts.
    fn train(&self, hosts: &[usize], arguments: &str) -> Command {
        let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/digits_mpi");
        let addresses = hosts.iter().map(|host| format!("10.77.0.{host}")).collect::<Vec<_>>().join(",");
        let own = script().display().to_string();
        let options = [
            "--allow-run-as-root --bind-to none --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24",
            "--mca oob_tcp_if_include 10.77.0.0/24 --mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1",
            "--mca oob_tcp_keepalive_probes 3",
        ];
        let mut command = Command::new(script());
        command
            .args(["on", &format!("10.77.0.{}", hosts[0])])
            .arg(format!(
                "mpirun --mca plm_rsh_agent '{own} on' -host {addresses} {} {} {arguments}",
                options.join(" "),
                program.display()
            ))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The accuracy and the bits that a run ends with.
    fn result(&self, hosts: &[usize], arguments: &str) -> String {
        let output = self.train(hosts, arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(text.contains(&format!("{} ranks × 1 thread", hosts.len())) || hosts.len() == 1, "{text}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.command(&["down"]);
    }
}

#[test]
#[ignore = "it needs root: cargo test --test hosts -- --ignored"]
fn hosts_train_one_model_and_a_host_that_is_cut_off_is_named() {
    let (hosts, folder) = (Hosts::up(3), tempfile::tempdir().unwrap());
    let out = |epochs: u64| format!("--epochs {epochs} --out {}", folder.path().display());
    let alone = hosts.result(&[1], "--epochs 4");
    assert_eq!(hosts.result(&[1, 2], "--epochs 4"), alone);
    assert_eq!(hosts.result(&[1, 2, 3], &out(2)).lines().count(), 2);

    // the third host is lost in the middle of the work, which a new checkpoint shows to have begun
    let saved = || Checkpoints::in_folder(folder.path()).list().unwrap().pop();
    let before = saved();
    let mut run = hosts.train(&[1, 2, 3], &(out(1_000_000) + " --patience 3")).spawn().unwrap();
    let begun = Instant::now();
    while saved() == before {
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not train");
        assert!(run.try_wait().unwrap().is_none(), "it ends before it has trained: {:?}", run.wait_with_output());
        sleep(Duration::from_millis(20));
    }
    let cut = Instant::now();
    assert!(hosts.command(&["cut", "10.77.0.3"]));
    let output = run.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && cut.elapsed() < Duration::from_secs(120), "{:?}: {text}", cut.elapsed());
    assert!(
        text.contains("rank 2 does not answer (the patience was 3 s); all ranks end. The run is saved as"),
        "{text}"
    );
    // the lost host's own rank does not stay behind
    while !hosts.running(3).is_empty() {
        assert!(cut.elapsed() < Duration::from_secs(120), "on the lost host still run {}", hosts.running(3));
        sleep(Duration::from_millis(20));
    }
}

/// The disk of the first rank is full: that is an error of all ranks, which names the file.
#[test]
#[ignore = "it needs root: cargo test --test hosts -- --ignored"]
fn a_full_disk_ends_all_ranks() {
    let (hosts, folder) = (Hosts::up(2), tempfile::tempdir().unwrap());
    let disk = folder.path().display().to_string();
    let small = ["-t", "tmpfs", "-o", "size=128k", "gradus", &disk];
    assert!(Command::new("mount").args(small).status().unwrap().success());
    let output = hosts.train(&[1, 2], &format!("--epochs 3 --out {disk}/run")).output().unwrap();
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}");
    // the first rank to end ends the others, so one of them says it for all
    let reason = |prefix: &str| text.contains(&format!("Error: {prefix}{disk}/run/step-"));
    assert!((reason("") || reason("rank 0: ")) && text.contains("No space left on device"), "{text}");
}

/// A run that lost a host goes on with the others, as if nothing had happened.
#[test]
#[ignore = "it needs root: cargo test --test hosts -- --ignored"]
fn a_run_goes_on_with_fewer_hosts() {
    let (hosts, folder) = (Hosts::up(3), tempfile::tempdir().unwrap());
    let out = |epochs: u64| format!("--epochs {epochs} --out {}", folder.path().display());
    hosts.result(&[1, 2, 3], &out(2));
    assert_eq!(hosts.result(&[1, 2], &out(4)), hosts.result(&[1], "--epochs 4"));
}
