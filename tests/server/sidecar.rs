//! The server as a shipped game starts it: it says where it listens, keeps its data with the user,
//! logs lines for machines, and ends when the game does.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::stage::{Game, PATIENCE};

type Lines = tokio::io::Lines<BufReader<ChildStdout>>;

/// Starts a server as a game does, and reads its first line.
async fn start(folder: &Path) -> (Child, Lines, Value) {
    let user = folder.join("user");
    let mut server = Command::new(env!("CARGO_BIN_EXE_dramatis"))
        .args(["serve", "--port", "0", "--ready-json", "--exit-with-stdin"])
        .args(["--log-format", "json"])
        .current_dir(folder)
        .env_clear()
        .envs([("HOME", &user), ("XDG_DATA_HOME", &user), ("LOCALAPPDATA", &user)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let ready = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let ready = serde_json::from_str(&ready).unwrap();
    (server, lines, ready)
}

#[tokio::test]
async fn a_server_beside_a_game_ends_when_its_standard_input_does() {
    let folder = tempfile::tempdir().unwrap();
    let user = folder.path().join("user");
    let (mut server, mut lines, ready) = start(folder.path()).await;
    assert_eq!(ready["ready"], true);

    drop(server.stdin.take());
    let status = timeout(PATIENCE, server.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(lines.next_line().await.unwrap(), None, "nothing else is on standard output");
    let mut log = String::new();
    server.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
    let entries: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let says = |part: &str| {
        entries.iter().any(|entry| entry["message"].as_str().is_some_and(|it| it.contains(part)))
    };
    assert!(says("games connect to") && says("standard input was closed"), "{log}");
    if cfg!(target_os = "linux") {
        assert!(user.join("dramatis/data/dramatis.db").exists());
        assert!(user.join("dramatis/logs").exists());
    }
    assert!(!folder.path().join("data").exists() && !folder.path().join("logs").exists());
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _lines, ready) = start(folder.path()).await;
    let url = ready["url"].as_str().unwrap();
    // Each greeting is a line of the log; a pipe holds 64 KiB or less.
    let hello = json!({"type": "hello", "game": "x".repeat(200)});
    for _ in 0..1_000 {
        let mut game = Game::connect(url, &[]).await;
        game.send(&hello).await;
        game.until("welcome").await;
    }
    drop(server.stdin.take());
    let status = timeout(PATIENCE, server.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}
