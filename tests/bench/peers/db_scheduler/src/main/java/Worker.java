import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.SchedulerName;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;

/**
 * Worker of db-scheduler for the bench: each task appends its number and the microsecond at which its handler ran.
 *
 * <p>{@code Worker <file> <name> [option=value ...]}; options: threads, poll (ms), lower and upper (of
 * lock-and-fetch; without them db-scheduler's default strategy holds), heartbeat (ms), missed, sleep (ms in the
 * handler). The environment names JDBC_URL, PGUSER and PGPASSWORD.
 */
public final class Worker {
  public static void main(String[] arguments) throws Exception {
    Map<String, String> wanted = new HashMap<>();
    for (int i = 2; i < arguments.length; i++) {
      String[] pair = arguments[i].split("=", 2);
      wanted.put(pair[0], pair[1]);
    }
    FileOutputStream fires = new FileOutputStream(arguments[0], true);
    int threads = Integer.parseInt(wanted.getOrDefault("threads", "10"));
    long sleep = Long.parseLong(wanted.getOrDefault("sleep", "0"));
    var task = Tasks.oneTime("tick").execute((instance, context) -> {
      append(fires, instance.getId());
      if (sleep > 0) pause(sleep);
    });
    var builder = Scheduler.create(connections(threads + 5), task)
        .schedulerName(new SchedulerName.Fixed(arguments[1]))
        .threads(threads);
    if (wanted.containsKey("poll"))
      builder.pollingInterval(Duration.ofMillis(Long.parseLong(wanted.get("poll"))));
    if (wanted.containsKey("heartbeat"))
      builder.heartbeatInterval(Duration.ofMillis(Long.parseLong(wanted.get("heartbeat"))));
    if (wanted.containsKey("missed"))
      builder.missedHeartbeatsLimit(Integer.parseInt(wanted.get("missed")));
    if (wanted.containsKey("lower"))
      builder.pollUsingLockAndFetch(
          Double.parseDouble(wanted.get("lower")), Double.parseDouble(wanted.get("upper")));
    builder.build().start();
    Thread.currentThread().join();
  }

  private static HikariDataSource connections(int most) {
    var config = new HikariConfig();
    config.setJdbcUrl(System.getenv("JDBC_URL"));
    config.setUsername(System.getenv("PGUSER"));
    config.setPassword(System.getenv("PGPASSWORD"));
    config.setMaximumPoolSize(most);
    return new HikariDataSource(config);
  }

  private static void append(FileOutputStream fires, String number) {
    Instant now = Instant.now();
    long microsecond = now.getEpochSecond() * 1_000_000L + now.getNano() / 1_000;
    try {
      fires.write((number + " " + microsecond + "\n").getBytes(StandardCharsets.US_ASCII));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static void pause(long milliseconds) {
    try {
      Thread.sleep(milliseconds);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }
}
