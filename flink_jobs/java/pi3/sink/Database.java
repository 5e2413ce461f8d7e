package pi3.sink;

import java.io.Serializable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import org.postgresql.Driver;

/** Where to connect and as whom. A record would print the password. */
final class Database implements Serializable {

    private static final long serialVersionUID = 1L;

    private static final String END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = ?"
            + " AND usename = current_user AND application_name = current_setting('application_name')"
            + " AND pid <> pg_backend_pid()"; // which a pooler may have handed over to us

    private final String url;
    private final String user;
    private final String password;

    Database(String url, String user, String password) {
        this.url = url;
        this.user = user;
        this.password = password;
    }

    /** A connection of its own; each statement on it is a transaction. */
    Connection connect() throws SQLException {
        Properties login = new Properties();
        login.setProperty("user", user);
        login.setProperty("password", password);
        // Not by DriverManager, which serves only drivers of the class loader that asks.
        Connection connection = new Driver().connect(url, login);
        if (connection == null) {
            throw new SQLException("not a PostgreSQL address: " + url);
        }
        return connection;
    }

    /** The number by which the server knows the session. The driver knows that of the pooler, where there is one. */
    static int session(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet found = statement.executeQuery("SELECT pg_backend_pid()")) {
            found.next();
            return found.getInt(1);
        }
    }

    /**
     * End a session that was given up, by another one. The server may not know that its client is gone, and what it
     * still does would be committed after what is repeated.
     */
    static void end(int session, Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(END)) {
            statement.setInt(1, session);
            try (ResultSet ended = statement.executeQuery()) {
                if (ended.next() && !ended.getBoolean(1)) {
                    throw new SQLException("session " + session + " was given up and does not end", "08006");
                }
            }
        }
    }
}
